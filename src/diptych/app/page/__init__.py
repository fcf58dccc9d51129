"""The page that people search on: templates, one script, one stylesheet. It speaks nothing but the public API."""
