INSERT INTO issuer (sequence, name, identity) VALUES (?1, ?2, ?3)
