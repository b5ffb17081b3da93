"""django-ca as its documentation has it in a project of one's own: one database, one OCSP URL, nothing for debugging.

From the environment: BENCH_DIRECTORY, where the PKI is and where the database goes; BENCH_CA, the CA's commonName.
"""

import os
from pathlib import Path

DIRECTORY = Path(os.environ["BENCH_DIRECTORY"])

DEBUG = False
SECRET_KEY = "only for a measurement on this machine, never for more"
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "ocsp.test"]
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "django_object_actions",
    "django_ca",
]
# It says how long an answer is, so that a connection can be kept.
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "urls"
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": DIRECTORY / "django-ca.sqlite3",
        # Connections are kept, as its documentation of Django advises for production.
        "CONN_MAX_AGE": None,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    "django-ca": {
        "BACKEND": "django.core.files.storage.FileSystemStorage",
        "OPTIONS": {"location": str(DIRECTORY)},
    },
}
LOGGING_CONFIG = None

CA_DEFAULT_HOSTNAME = "localhost"
CA_OCSP_URLS = {
    "bench": {
        "ca": os.environ["BENCH_CA"],
        "responder_key": "ocsp.key",
        "responder_cert": "ocsp.pem",
        "expires": 3600,
    }
}
