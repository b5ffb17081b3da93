INSERT INTO setting (sequence, issuer, name, value) VALUES (?1, ?2, ?3, ?4)
