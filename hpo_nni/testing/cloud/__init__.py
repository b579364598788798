"""The cloud on 127.0.0.1: servers that speak OSS's and MaxCompute's real protocols.

They are for tests, ours and our users': the real SDKs sign, send, retry and parse, and the
jobs that are submitted really run. Only the standard library is needed to serve.
"""
