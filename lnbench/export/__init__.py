"""Reports in the formats that other tools read: a function a format, without any output."""
