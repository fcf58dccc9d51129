"""The server: routes that translate between HTTP and `diptych.collection`, and the layer that decides who may call."""
