"""Schemes with a multimodal language model: what was asked is rewritten, what was found is looked at closer."""
