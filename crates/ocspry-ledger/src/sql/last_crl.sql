SELECT number, base_number, this_update, next_update, published, covers, entries, sha256
FROM crl WHERE issuer = ?1 AND (base_number IS NULL) = ?2 AND this_update <= ?3 ORDER BY number DESC LIMIT 1
