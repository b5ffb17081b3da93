SELECT last, mark FROM act WHERE first <= ?1 ORDER BY first DESC LIMIT 1
