INSERT INTO revocation (sequence, issuer, serial, released, effective, reason, invalid_since)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
