"""What receivers ask the DNS about a sender: SPF (RFC 7208), DKIM keys (RFC 6376), DMARC (RFC 9989).

Pure: whoever answers is handed in (``ports.Names``); the same answers give the same verdicts.
"""
