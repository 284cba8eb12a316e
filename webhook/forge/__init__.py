"""Sends results of a pipeline to the forge of its repository: one comment on a pull request, and findings for code
scanning.

Run as `python -m webhook.forge.github` and `python -m webhook.forge.gitlab`, by action.yml and the template for GitLab.
"""
