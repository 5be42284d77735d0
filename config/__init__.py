"""What an operator may say: the models of ``site.yaml``, and loading with errors that name line and cure."""
