SELECT n.issuer, n.number FROM crl_number n
WHERE EXISTS (SELECT 1 FROM crl_number b WHERE b.issuer = n.issuer AND b.sequence < n.sequence AND b.number >= n.number)
LIMIT 100
