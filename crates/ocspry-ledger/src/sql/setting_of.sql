SELECT i.name,
    (SELECT s.value FROM setting s WHERE s.issuer = i.sequence AND s.name = ?2 ORDER BY s.sequence DESC LIMIT 1)
FROM issuer i WHERE i.sequence = ?1
