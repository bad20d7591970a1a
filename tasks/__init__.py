"""The edge: flags in, exit code out; one module a namespace, no decisions. (Under invoke, tasks.py stands for this.)"""
