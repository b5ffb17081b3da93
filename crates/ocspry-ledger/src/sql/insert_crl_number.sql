INSERT INTO crl_number (sequence, issuer, number, use) VALUES (?1, ?2, ?3, ?4)
