"""ECG to cine cardiac MRI by flow matching (ECGFlowCMR). Holds no model yet."""
