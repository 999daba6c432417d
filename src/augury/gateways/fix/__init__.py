"""The FIX gateway: institutions' sessions over FIXT.1.1 with FIX 5.0 SP2 messages."""
