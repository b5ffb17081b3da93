-- The + keeps the index by serial out of it: facts are read in their order.
SELECT c.sequence, c.issuer, c.serial, c.origin, t.subject, c.not_before, c.not_after, c.profile, t.der
FROM certificate c JOIN certificate_text t ON t.sequence = c.sequence
WHERE c.sequence > ?1 AND +c.issuer = ?2 AND c.profile = ?3 AND t.der IS NOT NULL
ORDER BY c.sequence
