SELECT n.use, EXISTS (SELECT 1 FROM crl WHERE crl.issuer = n.issuer AND crl.number = n.number)
FROM crl_number n WHERE n.issuer = ?1 AND n.number = ?2
