"""Text and patient to ECG (DiffuSETS), and a person's ECG in another condition (ECGTwin). Holds no model yet."""
