"""Pages and API: one module per audience over ``session`` (who), ``access`` (may), ``errors``."""
