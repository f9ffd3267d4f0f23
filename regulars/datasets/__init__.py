"""Shopping histories as frames of receipt lines: the public Complete Journey data and a shop's own files."""
