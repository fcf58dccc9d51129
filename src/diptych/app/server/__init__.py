"""Collections over HTTP: routes translate, `collection/` answers; `access/` says who may, `page/` is for people."""
