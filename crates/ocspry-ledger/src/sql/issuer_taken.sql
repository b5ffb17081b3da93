SELECT name, identity FROM issuer WHERE name = ?1 OR identity = ?2 LIMIT 1
