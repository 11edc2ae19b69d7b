"""
What was spent, by whom, and what was released for it, durably.

Claim (docs/privacy.md): no answer exists without a debit that was durable before any
private row was read, and no debit takes an account past its limit, however many
processes ask at once and wherever one of them dies.
"""
