SELECT count(DISTINCT sequence) FROM fact
