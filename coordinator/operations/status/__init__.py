"""The status page: what happens now, and what members of staff may do about it.

`counting` hears the hooks and counts into the shared cache (`counters`). `figures` turns counters,
ledger and registers into what the pages show; `thing` and `ledger` ask about changes. `actions`
says what can be done and writes down who did it and why, `access` says by whom, and `views` serves
it all.
"""
