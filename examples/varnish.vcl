# /etc/varnish/default.vcl
vcl 4.1;

backend ocspry {
    .host = "127.0.0.1";
    .port = "8888";
    .connect_timeout = 1s;
    .first_byte_timeout = 2s;
    .between_bytes_timeout = 2s;
}

sub vcl_backend_response {
    # Never stale: an answer ends with its own Cache-Control.
    set beresp.grace = 0s;
    set beresp.keep = 0s;
}
