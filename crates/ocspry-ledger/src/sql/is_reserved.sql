SELECT EXISTS (SELECT 1 FROM reservation WHERE issuer = ?1 AND serial = ?2)
