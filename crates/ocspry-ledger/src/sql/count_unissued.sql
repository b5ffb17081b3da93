SELECT count(*) FROM reservation r
WHERE NOT EXISTS (SELECT 1 FROM certificate c WHERE c.issuer = r.issuer AND c.serial = r.serial)
