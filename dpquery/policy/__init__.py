"""The owner's promises: policy files, and the catalog that the binder reads."""
