SELECT effective FROM revocation WHERE issuer = ?1 AND serial = ?2 AND released = 1 ORDER BY sequence DESC LIMIT 1
