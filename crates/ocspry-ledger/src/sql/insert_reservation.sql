INSERT INTO reservation (sequence, issuer, serial) VALUES (?1, ?2, ?3)
