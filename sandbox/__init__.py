"""The world outside, in miniature: phones, mailboxes, a town and trucks.

``make demo`` and the tests talk to it over the real protocols. Nothing in the product imports it.
"""
