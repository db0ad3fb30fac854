"""Compare images side by side: what is placed, measured, drawn and kept. No Qt."""
