INSERT INTO issuer_certificate (sequence, issuer, der) VALUES (?1, ?2, ?3)
