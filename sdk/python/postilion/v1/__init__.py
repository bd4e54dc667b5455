"""The API as it was generated; see proto/postilion/v1 for what it says."""
