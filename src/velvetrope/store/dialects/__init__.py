"""What differs between the databases we support, one small file each."""
