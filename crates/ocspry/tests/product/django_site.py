"""What somebody has who runs django-ca, in the working directory: db.sqlite3 and files/.

`make`: two CAs, root and "Sub CA" below it, whose key is encrypted (secret); web.pem and gone.pem of the first one, the
latter revoked, and below.pem of the other; two CRLs of root.  `go-on`: more.pem is signed, web.pem and "Sub CA" revoked.
"""

import io
import sys
import types
from pathlib import Path

import django
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from django.conf import settings
from django.core.management import call_command
from django.urls import include, path

HERE = Path.cwd()
FILES = "django.core.files.storage.FileSystemStorage"


def set_up():
    urls = types.ModuleType("urls")
    sys.modules["urls"] = urls
    settings.configure(
        BASE_DIR=HERE,
        SECRET_KEY="tests",
        ROOT_URLCONF="urls",
        USE_TZ=True,
        INSTALLED_APPS=[
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django_object_actions",
            "django_ca",
        ],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": HERE / "db.sqlite3"}},
        STORAGES={
            "default": {"BACKEND": FILES},
            "django-ca": {"BACKEND": FILES, "OPTIONS": {"location": HERE / "files"}},
        },
    )
    django.setup()
    urls.urlpatterns = [path("django_ca/", include("django_ca.urls"))]


def call(*words):
    out = io.StringIO()
    call_command(*words, stdout=out)
    return out.getvalue()


def authority(name):
    from django_ca.models import CertificateAuthority

    return CertificateAuthority.objects.get(name=name)


def serial_of(ca):
    return authority(ca).serial


def sign(name, ca, *more):
    """Signs NAME.pem and says its serial."""
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([]))
    request = request.sign(key, hashes.SHA256())
    csr = HERE / f"{name}.csr"
    csr.write_bytes(request.public_bytes(serialization.Encoding.PEM))
    subject = f"CN={name}.example.com"
    out = call("sign_cert", "--ca", serial_of(ca), "--csr", str(csr), "--subject", subject, *more)
    pem = out[out.index("-----BEGIN") :]
    (HERE / f"{name}.pem").write_text(pem)
    return f"{x509.load_pem_x509_certificate(pem.encode()).serial_number:X}"


def make():
    call("migrate", "--verbosity", "0")
    ec_key = ["--key-type", "EC"]
    urls = [
        "--sign-ocsp-responder=http://ocsp.example.com/",
        "--sign-ca-issuer=http://ca.example.com/root.der",
        "--sign-crl-full-name=http://crl.example.com/root.crl",
    ]
    call("init_ca", "--path-length=1", *ec_key, *urls, "root", "CN=Root")
    call("init_ca", "--parent", serial_of("root"), "--password=secret", *ec_key, "Sub CA", "CN=Sub")
    sign("web", "root", "--webserver")
    gone = sign("gone", "root")
    sign("below", "Sub CA", "--password=secret")
    call("revoke_cert", "--reason=key_compromise", "--compromised=2026-11-01T00:00:00+00:00", gone)
    for _ in range(2):
        call("dump_crl", "--ca", serial_of("root"), "old.crl")
    (HERE / "root.pem").write_text(authority("root").pub.pem)


def go_on():
    sign("more", "root")
    web = authority("root").certificate_set.get(cn="web.example.com")
    call("revoke_cert", "--reason=superseded", web.serial)
    authority("Sub CA").revoke()


set_up()
{"make": make, "go-on": go_on}[sys.argv[1]]()
