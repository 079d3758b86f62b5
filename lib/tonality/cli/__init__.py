"""The `tonality` command: arguments, running a stage, exit status, and the commands that are no stages."""
