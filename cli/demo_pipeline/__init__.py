"""The demonstration behind ``freightway demo``: its servers, its manifests, its story and its picture.

Everything runs on the loopback address and below one folder; nothing of it outlives the command.
"""
