SELECT max(number) FROM crl_number WHERE issuer = ?1
