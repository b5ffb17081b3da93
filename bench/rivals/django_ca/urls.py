"""The one OCSP URL of the settings, at the root, where it is asked."""

from django.urls import path

from django_ca.conf import model_settings
from django_ca.views import OCSPView

VIEW = OCSPView.as_view(**model_settings.CA_OCSP_URLS["bench"].model_dump(exclude_none=True))

urlpatterns = [path("", VIEW), path("ocsp", VIEW), path("<path:data>", VIEW)]
