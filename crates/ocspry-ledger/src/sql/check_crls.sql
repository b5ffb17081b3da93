SELECT crl.issuer, crl.number FROM crl
WHERE NOT EXISTS (SELECT 1 FROM crl_number n
    WHERE n.issuer = crl.issuer AND n.number = crl.number AND n.use IN (1, 2) AND n.sequence < crl.sequence)
    OR crl.covers >= crl.sequence LIMIT 100
