INSERT INTO crl (sequence, issuer, number, base_number, this_update, next_update, published, covers, entries, sha256)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
