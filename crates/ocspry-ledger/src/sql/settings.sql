SELECT name, value FROM setting WHERE issuer = ?1 ORDER BY sequence
