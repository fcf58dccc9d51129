"""Who may call, how often, and what is written down about it. Nothing in here knows HTTP.

keys      API keys            sessions  browsers that are signed in     shares   links for guests
opaque    ids of items that tell nothing                               limits   rates, quotas, the address that calls
audit     a line a call       detector  use that no person makes of a collection
"""
