SELECT f.sequence, f.kind, f.issuer, f.serial, f.effective, f.reason, f.invalid_since, f.detail,
    a.actor, a.ticket, a.requested, a.recorded,
    CASE WHEN f.kind IN (8, 9) THEN
        (SELECT min(crl.published) FROM crl WHERE crl.issuer = f.issuer AND crl.covers >= f.sequence)
    END,
    CASE WHEN f.kind = 11 THEN (SELECT covers FROM crl WHERE crl.sequence = f.sequence) END,
    CASE WHEN a.last = f.sequence THEN a.mark END
FROM fact f JOIN act a ON a.first = (SELECT max(first) FROM act WHERE first <= f.sequence)
WHERE f.issuer = ?1 AND f.serial = ?2 ORDER BY f.sequence
