"""What can be asked of a generated ECG: conditions, requests, and the numbers that findings imply."""
