INSERT INTO act (first, last, mark, recorded, requested, actor, ticket)
VALUES (?1, ?2, randomblob(16), ?3, ?4, ?5, ?6)
