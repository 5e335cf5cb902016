"""What is called: the services and their methods, from the descriptors."""
