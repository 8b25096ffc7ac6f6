"""Playbooks as people write them: TOML, its validation, and what it compiles to for the core (contract 6).

Entry point: `loader.load_playbooks`. A kind of playbook is one module with its model, named in `kinds.py`.
"""
