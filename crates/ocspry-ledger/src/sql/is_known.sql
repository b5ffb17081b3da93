SELECT EXISTS (SELECT 1 FROM certificate WHERE issuer = ?1 AND serial = ?2)
